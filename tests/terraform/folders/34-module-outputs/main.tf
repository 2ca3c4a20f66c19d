variable "maintenance_mode" {
  type    = bool
  default = false
}

module "page" {
  source = "./page"
  count  = var.maintenance_mode ? 1 : 0
  host   = "app.example.com"
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  alias {
    name                   = var.maintenance_mode ? module.page[0].target.name : "lb.example.net"
    zone_id                = try(module.page[0].target.zone, "Z0LB")
    evaluate_target_health = length(module.page) == 0
  }
}

resource "aws_route53_record" "text" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "TXT"
  ttl     = 60
  records = [coalesce(one(module.page[*].note), "open"), join(",", module.page.*.note)]
}
