variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "name" {
  for_each = toset(["APP.Example.COM", "app2.example.com.", "a_b.example.com", "x*y.example.com"])
  zone_id  = "Z0ZONE"
  name     = each.key
  type     = "A"
  alias {
    name                   = var.maintenance_mode ? "D111111ABCDEF8.cloudfront.net." : "LB.example.net"
    zone_id                = "Z1"
    evaluate_target_health = "false"
  }
}
