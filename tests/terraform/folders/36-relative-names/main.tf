variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "type" {
  default = "A"
}

locals {
  live = { ttl = 300, records = ["192.0.2.1"] }
  page = { ttl = 60, records = ["192.0.2.9"], note = "closed" }
  now  = merge(local.live, { for name, value in local.page : name => value if var.maintenance_mode })
}

resource "aws_route53_record" "name" {
  for_each = toset(["app", "WWW", "a.b", "*", "full.example.com", "dot.example.com.", "example.com"])
  zone_id  = "Z0ZONE"
  name     = each.value
  type     = upper(var.type)
  ttl      = local.now.ttl
  records  = local.now["records"]
}

resource "aws_route53_record" "apex" {
  zone_id = "Z0ZONE"
  name    = ""
  type    = "MX"
  ttl     = lookup(local.now, "ttl", 3600)
  records = ["10 mail-${lookup(local.now, "note", "open")}.example.net"]
}
