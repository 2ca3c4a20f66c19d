variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "host" {
  type    = string
  default = "app.example.com"
  validation {
    condition     = can(regex("^[a-z.]+$", var.host)) && length(var.host) < 64
    error_message = "A host name is required."
  }
}

variable "ttl" {
  type     = number
  default  = "60"
  nullable = false
  validation {
    condition     = var.ttl >= 10
    error_message = "At least 10 seconds."
  }
}

resource "aws_route53_record" "app" {
  zone_id = "Z0ZONE"
  name    = var.host
  type    = "A"
  ttl     = var.ttl
  records = [var.maintenance_mode ? "192.0.2.9" : "192.0.2.1"]
}
