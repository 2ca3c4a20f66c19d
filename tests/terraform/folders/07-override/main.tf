variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  ttl     = 300
  records = ["192.0.2.1"]
}

locals {
  address = "192.0.2.1"
  unused  = "192.0.2.2"
}
