variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_record" "app" {
  for_each = { wildcard = "*.example.com", apex = "example.com", dotted = "www.example.com." }
  zone_id  = "Z0ZONE"
  name     = each.value
  type     = "A"
  alias {
    name                   = var.maintenance_mode ? "d111111abcdef8.cloudfront.net" : "dualstack.app-lb-1.eu-west-1.elb.amazonaws.com"
    zone_id                = var.maintenance_mode ? "Z2FDTNDATAQYW2" : "Z32O12XQLNTSW2"
    evaluate_target_health = !var.maintenance_mode
  }
}
