variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "live" {
  count          = var.maintenance_mode ? 0 : 1
  zone_id        = "Z0ZONE"
  name           = "app.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = "live"
  records        = ["192.0.2.1"]
  weighted_routing_policy {
    weight = 100
  }
}

resource "aws_route53_record" "page" {
  count          = var.maintenance_mode ? 1 : 0
  zone_id        = "Z0ZONE"
  name           = "app.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = "page"
  records        = ["192.0.2.9"]
  weighted_routing_policy {
    weight = 100
  }
}

# A second region that is only weighed, whatever the switch says.
resource "aws_route53_record" "other" {
  zone_id        = "Z0ZONE"
  name           = "app.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = "other"
  records        = ["192.0.2.2"]
  weighted_routing_policy {
    weight = 0
  }
}
