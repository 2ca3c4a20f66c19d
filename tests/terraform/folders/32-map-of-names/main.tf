variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "names" {
  type = map(object({
    type        = optional(string, "A")
    ttl         = optional(number, 300)
    live        = list(string)
    maintenance = optional(list(string))
  }))
  default = {
    app = {
      live        = ["192.0.2.1", "192.0.2.2"]
      maintenance = ["192.0.2.9"]
    }
    "*.shop" = {
      type        = "CNAME"
      ttl         = 60
      live        = ["shop.example.net"]
      maintenance = ["page.example.net"]
    }
    docs = {
      live = ["192.0.2.3"]
    }
  }
}

resource "aws_route53_record" "name" {
  for_each = var.names
  zone_id  = "Z0ZONE"
  name     = "${each.key}.example.com"
  type     = each.value.type
  ttl      = var.maintenance_mode && each.value.maintenance != null ? min(each.value.ttl, 60) : each.value.ttl
  records  = var.maintenance_mode ? coalesce(each.value.maintenance, each.value.live) : each.value.live

  lifecycle {
    create_before_destroy = true
  }
}
