variable "name" {}

variable "values" {
  type = set(string)
}

resource "aws_route53_record" "this" {
  zone_id = "Z0ZONE"
  name    = var.name
  type    = "A"
  ttl     = 60
  records = var.values
}
