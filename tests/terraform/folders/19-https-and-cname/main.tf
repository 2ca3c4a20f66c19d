variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "https" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "HTTPS"
  ttl     = 60
  records = ["1 ${var.maintenance_mode ? "page.example.net." : "."} alpn=\"${join(",", ["h2", "http/1.1"])}\""]
}

resource "aws_route53_record" "cname" {
  zone_id = "Z0ZONE"
  name    = "www.example.com"
  type    = "CNAME"
  ttl     = 60
  records = [format("%s.example.net", var.maintenance_mode ? "page" : "live")]
}
