variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  hosts = {
    shop = { live = "192.0.2.1", ttl = 60 }
    blog = { live = "192.0.2.2", ttl = 300 }
  }
}

resource "aws_route53_record" "host" {
  for_each = local.hosts
  zone_id  = "Z0ZONE"
  name     = "${each.key}.example.com"
  type     = "A"
  ttl      = each.value.ttl
  records  = [var.maintenance_mode && each.key != "blog" ? "192.0.2.9" : each.value["live"]]
}
