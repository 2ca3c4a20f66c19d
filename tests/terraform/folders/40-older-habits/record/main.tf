variable "enabled" {
  default = "true"
}

variable "name" {}

variable "target" {}

resource "aws_route53_record" "default" {
  count   = "${var.enabled == "true" ? 1 : 0}"
  zone_id = "Z0ZONE"
  name    = "${var.name}"
  type    = "A"
  ttl     = "60"
  records = ["${split(",", var.target)}"][0]
}

output "names" {
  value = "${aws_route53_record.default.*.name}"
}
