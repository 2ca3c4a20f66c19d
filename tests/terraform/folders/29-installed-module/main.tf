variable "maintenance_mode" {
  type    = bool
  default = false
}

module "edge" {
  source  = "acme/edge/aws"
  version = "~> 1.2"

  name   = module.names.id
  closed = var.maintenance_mode
}

module "names" {
  source = "git::https://example.com/names.git?ref=v3"
  parts  = ["app", "example", "com"]
}
