variable "maintenance_mode" {
  type    = bool
  default = false
}

data "terraform_remote_state" "edge" {
  backend = "local"
  config = {
    path = "${path.module}/edge.tfstate.json"
  }
}

locals {
  edge = data.terraform_remote_state.edge.outputs
}

resource "aws_route53_record" "app" {
  zone_id = local.edge.zone_id
  name    = "${local.edge.hosts[0]}.example.com"
  type    = "A"
  alias {
    name                   = var.maintenance_mode ? local.edge.page.name : local.edge.balancers["eu"].name
    zone_id                = var.maintenance_mode ? local.edge.page.zone : local.edge.balancers["eu"].zone
    evaluate_target_health = try(local.edge.absent, false)
  }
}
