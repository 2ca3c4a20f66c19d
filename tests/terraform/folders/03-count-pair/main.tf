variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "live" {
  count   = var.maintenance_mode ? 0 : 1
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "CNAME"
  ttl     = 60
  records = ["live.example.net"]
}

resource "aws_route53_record" "page" {
  count   = var.maintenance_mode ? 1 : 0
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "CNAME"
  ttl     = 60
  records = ["page-${count.index}.example.net"]
}
