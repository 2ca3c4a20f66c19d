variable "closed" {
  type = bool
}

variable "name" {
  type = string
}

variable "target" {
  type    = string
  default = "192.0.2.1"
}

resource "aws_route53_record" "this" {
  zone_id = "Z0ZONE"
  name    = "${var.name}.example.com"
  type    = "A"
  ttl     = 60
  records = [var.closed ? "192.0.2.9" : var.target]
}

output "fqdn" {
  value = "${var.name}.example.com"
}

output "closed" {
  value = var.closed
}
