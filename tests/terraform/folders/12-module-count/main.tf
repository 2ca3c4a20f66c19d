variable "maintenance_mode" {
  type    = bool
  default = false
}

module "dns" {
  source = "./dns"
  count  = 2
  name   = "app-${count.index}"
  target = cidrhost("192.0.2.0/24", 10 + count.index)
  closed = var.maintenance_mode && count.index == 1
}

resource "aws_route53_record" "all" {
  zone_id = "Z0ZONE"
  name    = "all.example.com"
  type    = "TXT"
  ttl     = 60
  records = [join(" ", module.dns[*].fqdn), tostring(module.dns[1].closed)]
}
