locals {
  address = var.maintenance_mode ? "192.0.2.9" : "192.0.2.1"
}
