resource "aws_route53_record" "app" {
  ttl     = 60
  records = [local.address]
}
