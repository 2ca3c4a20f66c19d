variable "records" {
  type = map(string)
}

variable "ttl" {
  type     = number
  default  = 300
  nullable = false
}

resource "aws_route53_record" "this" {
  for_each = var.records
  zone_id  = "Z0ZONE"
  name     = each.key
  type     = "A"
  ttl      = var.ttl
  records  = [each.value]
}
