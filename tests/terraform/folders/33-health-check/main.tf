variable "maintenance_mode" {
  type    = bool
  default = false
}

variable "checks" {
  type = map(string)
  default = {
    app   = "11111111-2222-3333-4444-555555555555"
    never = "99999999-2222-3333-4444-555555555555"
  }
}

# Failing over by hand: the record stays, and its check never passes.
resource "aws_route53_record" "app" {
  zone_id         = "Z0ZONE"
  name            = "app.example.com"
  type            = "A"
  ttl             = 60
  set_identifier  = "app"
  health_check_id = var.checks[var.maintenance_mode ? "never" : "app"]
  records         = ["192.0.2.1"]
  failover_routing_policy {
    type = "PRIMARY"
  }
}

# None and empty are the same, so this one does not move.
resource "aws_route53_record" "page" {
  zone_id         = "Z0ZONE"
  name            = "app.example.com"
  type            = "A"
  ttl             = 60
  set_identifier  = "page"
  health_check_id = var.maintenance_mode ? "" : null
  records         = ["192.0.2.9"]
  failover_routing_policy {
    type = "SECONDARY"
  }
}

resource "aws_route53_record" "several" {
  for_each                         = toset(["1", "2"])
  zone_id                          = "Z0ZONE"
  name                             = "several.example.com"
  type                             = "A"
  ttl                              = 60
  set_identifier                   = each.key
  health_check_id                  = var.maintenance_mode ? null : var.checks.app
  records                          = ["192.0.2.${each.key}"]
  multivalue_answer_routing_policy = true
}
