variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app"
  type    = "A"
  ttl     = var.maintenance_mode ? 60 : "300"
  records = var.maintenance_mode ? ["192.0.2.9"] : ["192.0.2.2", "192.0.2.1"]
}
