variable "maintenance_mode" {
  type    = bool
  default = false
}

provider "aws" {
  alias                       = "dns"
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

locals {
  targets = {
    live = {
      name = "DualStack.LB-1.eu-west-1.elb.amazonaws.com."
      zone = "Z32O12XQLNTSW2"
    }
    maintenance = {
      name = "d111111abcdef8.cloudfront.net"
      zone = "Z2FDTNDATAQYW2"
    }
  }
  target = local.targets[var.maintenance_mode ? "maintenance" : "live"]
  hosts  = concat(["app.example.com"], formatlist("%s.example.com", ["www", "api"]))
  pairs  = { for pair in setproduct(local.hosts, ["A", "AAAA"]) : "${pair[0]}/${pair[1]}" => { host = pair[0], type = pair[1] } }
}

resource "terraform_data" "first" {
  input = local.target.name
}

resource "aws_route53_record" "app" {
  for_each        = local.pairs
  provider        = aws.dns
  zone_id         = "Z0ZONE"
  name            = each.value.host
  type            = each.value.type
  allow_overwrite = true

  dynamic "alias" {
    for_each = { one = local.target }
    iterator = to
    content {
      name                   = to.value.name
      zone_id                = to.value.zone
      evaluate_target_health = to.key == "one" && !var.maintenance_mode
    }
  }

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [allow_overwrite]
  }

  timeouts {
    create = "10m"
  }

  depends_on = [terraform_data.first]
}
