variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "live" {
  default = "app-lb-1234.eu-west-1.elb.amazonaws.com"
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"

  dynamic "alias" {
    for_each = var.maintenance_mode ? [] : [1]
    content {
      name                   = var.live
      zone_id                = "Z32O12XQLNTSW2"
      evaluate_target_health = true
    }
  }
  dynamic "alias" {
    for_each = var.maintenance_mode ? [1] : []
    content {
      name                   = "d111111abcdef8.cloudfront.net"
      zone_id                = "Z2FDTNDATAQYW2"
      evaluate_target_health = false
    }
  }
}

resource "aws_route53_record" "other" {
  zone_id = "Z0ZONE"
  name    = "other.example.com"
  type    = "TXT"
  ttl     = 300
  records = ["not \"moved\""]
}
