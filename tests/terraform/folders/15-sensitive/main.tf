variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "origin" {
  type      = string
  sensitive = true
  default   = "192.0.2.1"
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  ttl     = 60
  records = [var.maintenance_mode ? nonsensitive("192.0.2.9") : sensitive(var.origin)]
}
