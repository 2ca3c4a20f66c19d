variable "maintenance_mode" {
  type    = bool
  default = false
}

locals {
  config = jsondecode(file("${path.module}/config.json"))
  sites  = { for site in local.config.sites : site.name => site if lookup(site, "enabled", true) }
  pages  = zipmap(keys(local.sites), [for i, name in keys(local.sites) : cidrhost(local.config.network, 200 + i)])
  hosts  = flatten([for name, site in local.sites : [for alias in concat([name], site.aliases) : { host = alias, site = name }]])
}

resource "aws_route53_record" "host" {
  for_each = { for host in local.hosts : host.host => host.site }
  zone_id  = "Z0ZONE"
  name     = format("%s.%s", each.key, replace(local.config.domain, "/\\.$/", ""))
  type     = "A"
  ttl      = max(30, floor(local.config.ttl / 7))
  records  = sort(distinct(var.maintenance_mode ? [local.pages[each.value]] : local.sites[each.value].addresses))
}
