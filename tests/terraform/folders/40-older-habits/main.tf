# What Terraform 0.11 needed and many folders still have: quotes around everything, element(concat(..)), x.*.y.
variable "maintenance_mode" {
  default = "false"
}

variable "subdomain" {
  default = ""
}

variable "zone" {
  type = map
  default = {
    id   = "Z0ZONE"
    name = "example.com"
  }
}

module "off" {
  source  = "./record"
  enabled = "${var.maintenance_mode == "true" ? "false" : "true"}"
  name    = "www.${var.zone["name"]}"
  target  = "192.0.2.1"
}

module "on" {
  source  = "./record"
  enabled = "${var.maintenance_mode}"
  name    = "${format("%s.%s", "www", lookup(var.zone, "name"))}"
  target  = "192.0.2.9"
}

resource "aws_route53_record" "old" {
  count   = "${var.maintenance_mode ? 0 : 2}"
  zone_id = "${var.zone["id"]}"
  name    = "${join(".", compact(["old-${count.index}", "${var.subdomain}", var.zone.name]))}"
  type    = "CNAME"
  ttl     = "60"
  records = ["${element(concat(module.off.names, [""]), 0)}"]
}

resource "aws_route53_record" "weights" {
  for_each       = { live = var.maintenance_mode == "true" ? "0" : "100", page = var.maintenance_mode == "true" ? 100 : 0 }
  zone_id        = "${var.zone.id}"
  name           = "weights.${var.zone.name}"
  type           = "CNAME"
  ttl            = "${var.maintenance_mode ? "60" : 300}"
  set_identifier = "${each.key}"
  records        = ["${each.key}.example.net"]

  weighted_routing_policy {
    weight = "${each.value}"
  }
}
