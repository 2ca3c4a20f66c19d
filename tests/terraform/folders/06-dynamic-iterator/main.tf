variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  targets = [
    { when = false, name = "lb.example.net", zone = "Z1", health = true },
    { when = true, name = "page.example.net", zone = "Z2", health = false },
  ]
  policies = { weighted = [10] }
}

resource "aws_route53_record" "app" {
  zone_id        = "Z0ZONE"
  name           = "app.example.com"
  type           = "A"
  set_identifier = "one"

  dynamic "alias" {
    for_each = [for target in local.targets : target if target.when == var.maintenance_mode]
    iterator = target
    content {
      name                   = target.value.name
      zone_id                = target.value.zone
      evaluate_target_health = target.value.health
    }
  }

  dynamic "weighted_routing_policy" {
    for_each = local.policies.weighted
    iterator = policy
    content {
      weight = policy.value + policy.key
    }
  }
}
