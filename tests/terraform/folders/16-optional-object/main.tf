variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "sites" {
  type = map(object({
    host = string
    ttl  = optional(number, 300)
    page = optional(object({
      address = optional(string, "192.0.2.9")
      enabled = optional(bool)
    }), {})
    addresses = optional(list(string), ["192.0.2.1"])
  }))
}

resource "aws_route53_record" "site" {
  for_each = var.sites
  zone_id  = "Z0ZONE"
  name     = each.value.host
  type     = "A"
  ttl      = each.value.ttl
  records  = var.maintenance_mode && coalesce(each.value.page.enabled, true) ? [each.value.page.address] : each.value.addresses
}
