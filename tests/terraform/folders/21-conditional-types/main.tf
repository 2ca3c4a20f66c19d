variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  live   = { name = "lb.example.net", zone = "Z1", health = true }
  page   = { name = "page.example.net", zone = "Z2", health = "false" }
  target = var.maintenance_mode ? local.page : local.live
  ttl    = var.maintenance_mode ? 60 : "300"
  list   = var.maintenance_mode ? ["192.0.2.9"] : tolist(["192.0.2.2", "192.0.2.1"])
  set    = var.maintenance_mode ? toset(["b", "a"]) : ["c"]
}

resource "aws_route53_record" "alias" {
  zone_id = "Z0ZONE"
  name    = "alias.example.com"
  type    = "A"
  alias {
    name                   = local.target.name
    zone_id                = local.target.zone
    evaluate_target_health = local.target.health
  }
}

resource "aws_route53_record" "plain" {
  zone_id = "Z0ZONE"
  name    = "plain.example.com"
  type    = "A"
  ttl     = local.ttl
  records = local.list
}

resource "aws_route53_record" "text" {
  for_each = local.set
  zone_id  = "Z0ZONE"
  name     = "${each.key}.example.com"
  type     = "TXT"
  ttl      = 60
  records  = [jsonencode([local.ttl, local.target.health])]
}
