variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = terraform.workspace == "default" ? "app.example.com" : "app.${terraform.workspace}.example.com"
  type    = "A"
  ttl     = 60
  records = [var.maintenance_mode ? "192.0.2.9" : "192.0.2.1"]
}
