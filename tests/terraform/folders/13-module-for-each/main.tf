variable "maintenance_mode" {
  type    = bool
  default = false
}

module "dns" {
  source   = "./modules/dns"
  for_each = toset(["b", "a"])
  name     = each.key
  closed   = each.value == "a" ? var.maintenance_mode : false
}

module "single" {
  source = "./modules/dns"
  name   = "single"
  target = "192.0.2.77"
  closed = anytrue([for dns in module.dns : dns.closed])
}
