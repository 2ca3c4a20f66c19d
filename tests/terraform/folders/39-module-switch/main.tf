variable "maintenance_mode" {
  type    = bool
  default = false
}

# The whole module comes and goes, and one of two calls it.
module "live" {
  source  = "./dns"
  count   = var.maintenance_mode ? 0 : 1
  records = { "app.example.com" = "192.0.2.1", "www.example.com" = "192.0.2.2" }
}

module "page" {
  source   = "./dns"
  for_each = var.maintenance_mode ? { page = 60 } : {}
  ttl      = each.value
  records  = { for name in ["app", "www"] : "${name}.example.com" => "192.0.2.9" }
}
