variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  addresses = {
    A    = { live = ["192.0.2.1"], page = ["192.0.2.9"] }
    AAAA = { live = ["2001:db8::1"], page = [cidrhost("2001:db8::/64", 9)] }
  }
}

resource "aws_route53_record" "app" {
  for_each = local.addresses
  zone_id  = "Z0ZONE"
  name     = "app.example.com"
  type     = each.key
  ttl      = 60
  records  = each.value[var.maintenance_mode ? "page" : "live"]
}
