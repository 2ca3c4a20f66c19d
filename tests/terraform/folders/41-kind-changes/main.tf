variable "maintenance_mode" {
  type     = bool
  default  = false
  nullable = false
}

locals {
  hosts = {
    app = { enabled = true, address = "192.0.2.1" }
    api = { enabled = true, address = "192.0.2.2" }
    old = { enabled = false, address = "192.0.2.3" }
  }
}

# An alias of the live side, plain values of the other.
resource "aws_route53_record" "alias_or_values" {
  zone_id = "Z0ZONE"
  name    = "app.example.com"
  type    = "A"
  ttl     = var.maintenance_mode ? 60 : null
  records = var.maintenance_mode ? sort(distinct(values(local.hosts)[*].address)) : null

  dynamic "alias" {
    for_each = var.maintenance_mode ? [] : ["lb.example.net"]
    content {
      name                   = alias.value
      zone_id                = "Z0LB"
      evaluate_target_health = true
    }
  }
}

# Another type, which is another record to Route 53.
resource "aws_route53_record" "type" {
  zone_id = "Z0ZONE"
  name    = "api.example.com"
  type    = var.maintenance_mode == true ? "CNAME" : "A"
  ttl     = 60
  records = [for name, host in local.hosts : var.maintenance_mode ? "page.example.net" : host.address if name == "api"]
}

# Another identifier.
resource "aws_route53_record" "identifier" {
  for_each       = { for name, host in local.hosts : name => host.address if host.enabled && !(var.maintenance_mode && name == "api") }
  zone_id        = "Z0ZONE"
  name           = "all.example.com"
  type           = "A"
  ttl            = 60
  set_identifier = var.maintenance_mode ? "page" : each.key
  records        = [each.value]

  dynamic "weighted_routing_policy" {
    for_each = length(each.key) > 0 ? [{ weight = 10 }] : []
    content {
      weight = weighted_routing_policy.value.weight
    }
  }
}

resource "aws_route53_record" "texts" {
  for_each = {
    TXT = var.maintenance_mode ? ["v=closed \"until\" 10:00", "second"] : ["v=open"]
    CAA = var.maintenance_mode ? ["0 issue \"amazon.com\""] : ["0 issue \";\""]
    MX  = ["${var.maintenance_mode ? 20 : 10} mail.example.net."]
    SRV = ["1 ${var.maintenance_mode ? 0 : 10} 5269 chat.example.net"]
  }
  zone_id = "Z0ZONE"
  name    = "texts.example.com"
  type    = each.key
  ttl     = 300
  records = each.value
}
