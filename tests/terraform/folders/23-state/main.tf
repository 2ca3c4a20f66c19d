variable "maintenance_mode" {
  type    = bool
  default = false
}

resource "aws_route53_zone" "main" {
  name = "example.com"
}

resource "aws_lb" "app" {
  name            = "app"
  internal        = true
  security_groups = ["sg-1"]
  subnets         = ["subnet-1", "subnet-2"]
}

resource "aws_route53_record" "app" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "app.${aws_route53_zone.main.name}"
  type    = "A"
  alias {
    name                   = var.maintenance_mode ? "d111111abcdef8.cloudfront.net" : aws_lb.app.dns_name
    zone_id                = var.maintenance_mode ? "Z2FDTNDATAQYW2" : aws_lb.app.zone_id
    evaluate_target_health = false
  }
}
