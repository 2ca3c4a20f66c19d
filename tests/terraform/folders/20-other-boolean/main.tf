variable "debug" {
  type    = bool
  default = false
}

variable "site_closed" {
  type        = bool
  description = "Sends visitors to the page"
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  ttl     = 60
  records = [var.site_closed ? "192.0.2.9" : "192.0.2.1"]
}
