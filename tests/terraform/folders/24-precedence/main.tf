variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "a" {
  default = "default"
}

variable "b" {
  default = "default"
}

variable "c" {
  default = "default"
}

variable "d" {
  default = "default"
}

variable "e" {
  default = "default"
}

variable "list" {
  type    = list(number)
  default = []
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "TXT"
  ttl     = 60
  records = [join(" ", [var.a, var.b, var.c, var.d, var.e]), jsonencode(var.list), tostring(var.maintenance_mode)]
}
