variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  page = "192.0.2.9"
}

resource "aws_route53_record" "failover" {
  for_each        = { PRIMARY = "192.0.2.1", SECONDARY = "192.0.2.2" }
  zone_id         = "Z0ZONE"
  name            = "failover.example.com"
  type            = "A"
  ttl             = 60
  set_identifier  = lower(each.key)
  health_check_id = each.key == "PRIMARY" ? "11111111-2222-3333-4444-555555555555" : null
  records         = [var.maintenance_mode ? local.page : each.value]
  failover_routing_policy {
    type = each.key
  }
}

resource "aws_route53_record" "latency" {
  count          = 2
  zone_id        = "Z0ZONE"
  name           = "latency.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = element(["eu-west-1", "us-east-1"], count.index)
  records        = [var.maintenance_mode ? local.page : cidrhost("192.0.2.0/24", count.index + 1)]
  latency_routing_policy {
    region = ["eu-west-1", "us-east-1"][count.index]
  }
}

resource "aws_route53_record" "country" {
  zone_id        = "Z0ZONE"
  name           = "country.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = "everybody"
  records        = [var.maintenance_mode ? local.page : "192.0.2.1"]
  geolocation_routing_policy {
    country = "*"
  }
}

resource "aws_route53_record" "several" {
  zone_id                          = "Z0ZONE"
  name                             = "several.example.com"
  type                             = "A"
  ttl                              = 60
  set_identifier                   = "one"
  multivalue_answer_routing_policy = true
  records                          = [var.maintenance_mode ? local.page : "192.0.2.1"]
}
