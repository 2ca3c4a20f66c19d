variable "closed" {
  type        = string
  default     = "false"
  description = "Whether visitors see the page."

  validation {
    condition     = contains(["true", "false"], var.closed)
    error_message = "It is true or false."
  }
}

variable "enable_logs" {
  type    = bool
  default = true
}

locals {
  closed = var.closed == "true"
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  ttl     = "${var.closed ? 60 : 300}"
  records = ["${local.closed ? "192.0.2.9" : "192.0.2.1"}"]
}

resource "aws_route53_record" "page" {
  count   = var.closed != "false" ? 1 : 0
  zone_id = "Z0ZONE"
  name    = "page.example.com"
  type    = "TXT"
  ttl     = 60
  records = ["closed = ${var.closed}, logs = ${var.enable_logs}"]
}
