variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "live" {
  zone_id        = "Z0ZONE"
  name           = "app.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = "live"
  records        = ["192.0.2.1"]
  weighted_routing_policy {
    weight = var.maintenance_mode ? 0 : 100
  }
}

resource "aws_route53_record" "page" {
  zone_id        = "Z0ZONE"
  name           = "app.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = "page"
  records        = ["192.0.2.9"]
  weighted_routing_policy {
    weight = var.maintenance_mode ? 100 : 0
  }
}
