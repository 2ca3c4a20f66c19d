variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "settings" {
  type = any
  default = {
    live = { address = "192.0.2.1" }
  }
}

locals {
  page = try(var.settings.page.address, var.settings["page"], "192.0.2.9")
  ttl  = can(var.settings.ttl) ? var.settings.ttl : try(tonumber("sixty"), 60)
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  ttl     = local.ttl
  records = compact([var.maintenance_mode ? local.page : var.settings.live.address, try(var.settings.second, null)])
}
