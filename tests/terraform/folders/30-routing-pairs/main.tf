variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  page = {
    name = "d111111abcdef8.cloudfront.net"
    zone = "Z2FDTNDATAQYW2"
  }
  places = {
    europe = { continent = "EU" }
    texas  = { country = "US", subdivision = "TX" }
    rest   = { country = "*" }
  }
}

resource "aws_route53_record" "network" {
  for_each       = { office = "office", rest = "*" }
  zone_id        = "Z0ZONE"
  name           = "network.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = each.key
  records        = [var.maintenance_mode && each.key == "rest" ? "192.0.2.9" : "192.0.2.1"]
  cidr_routing_policy {
    collection_id = "11111111-2222-3333-4444-555555555555"
    location_name = each.value
  }
}

resource "aws_route53_record" "place" {
  for_each       = local.places
  zone_id        = "Z0ZONE"
  name           = "place.example.com"
  type           = "CNAME"
  ttl            = var.maintenance_mode ? 30 : 300
  set_identifier = each.key
  records        = ["${each.key}.example.net"]
  geolocation_routing_policy {
    continent   = lookup(each.value, "continent", null)
    country     = lookup(each.value, "country", null)
    subdivision = lookup(each.value, "subdivision", null)
  }
}

resource "aws_route53_record" "primary" {
  zone_id        = "Z0ZONE"
  name           = "failover.example.com"
  type           = "A"
  set_identifier = "primary"
  alias {
    name                   = var.maintenance_mode ? local.page.name : "lb-1.example.net"
    zone_id                = var.maintenance_mode ? local.page.zone : "Z0LB"
    evaluate_target_health = !var.maintenance_mode
  }
  failover_routing_policy {
    type = "PRIMARY"
  }
}

resource "aws_route53_record" "secondary" {
  zone_id        = "Z0ZONE"
  name           = "failover.example.com"
  type           = "A"
  set_identifier = "secondary"
  alias {
    name                   = local.page.name
    zone_id                = local.page.zone
    evaluate_target_health = false
  }
  failover_routing_policy {
    type = "SECONDARY"
  }
}

resource "aws_route53_record" "region" {
  for_each       = toset(["eu-west-1", "us-east-1"])
  zone_id        = "Z0ZONE"
  name           = "region.example.com"
  type           = "A"
  set_identifier = "lb in ${each.value}"
  dynamic "alias" {
    for_each = [var.maintenance_mode ? local.page : { name = "${each.key}.example.net", zone = "Z0LB" }]
    content {
      name                   = alias.value.name
      zone_id                = alias.value.zone
      evaluate_target_health = false
    }
  }
  latency_routing_policy {
    region = each.key
  }
}
