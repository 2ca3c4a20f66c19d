variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  target = local.targets[local.side]
  side   = var.maintenance_mode ? "page" : "live"
  name   = join(".", [local.host, local.domain])
  host   = lower("APP")
  domain = "example.com"
  targets = {
    live = local.live
    page = merge(local.live, { name = "page.example.net", health = false })
  }
  live = {
    name   = "lb.example.net"
    zone   = "Z1"
    health = true
  }
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = local.name
  type    = "A"
  alias {
    name                   = local.target.name
    zone_id                = local.target.zone
    evaluate_target_health = local.target.health
  }
}
