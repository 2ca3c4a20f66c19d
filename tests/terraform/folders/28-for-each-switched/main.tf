variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "live" {
  for_each = var.maintenance_mode ? toset([]) : toset(["a", "b"])
  zone_id  = "Z0ZONE"
  name     = "${each.value}.example.com"
  type     = "A"
  ttl      = 60
  records  = ["192.0.2.1"]
}

resource "aws_route53_record" "page" {
  for_each = { for name in ["a", "b"] : name => "192.0.2.9" if var.maintenance_mode }
  zone_id  = "Z0ZONE"
  name     = "${each.key}.example.com"
  type     = "A"
  ttl      = 30
  records  = [each.value]
}
