variable "name" {
  type = string
}

variable "closed" {
  type    = bool
  default = false
}

module "record" {
  source = "./modules/record"
  name   = var.name
  values = var.closed ? ["192.0.2.9"] : ["192.0.2.1", "192.0.2.2"]
}
