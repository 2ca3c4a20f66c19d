# The maintenance page of HOSTS: a stack of its own, by `roadworks page init`.
#
# Keep it apart from what is maintained: its own folder, its own state, better its own account. Nothing here depends on
# the site, and `terraform apply` of the site never touches it.
#
#   terraform init && terraform apply                       -var zone_id=Z.. makes the certificate's DNS records too
#   roadworks page publish "$(terraform output -raw publish)" \
#     --distribution "$(terraform output -raw distribution)" --distribution "$(terraform output -raw status_distribution)"
#   roadworks page verify "$(terraform output -raw url)" --host HOST
#
# Then lead the maintenance record to `domain`, and put `status_url` into the page block of roadworks.hcl.

terraform {
  required_version = ">= 1.3"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "region" {
  description = "Where the bucket is: better not where the site is."
  type        = string
  default     = "us-east-1"
}

variable "profile" {
  description = "The credentials of the page, a profile of ~/.aws/config; null for the standard chain."
  type        = string
  default     = null
}

variable "zone_id" {
  description = "The hosted zone in which the certificate is proven; null to make the records of the output `certificate_records` elsewhere."
  type        = string
  default     = null
}

provider "aws" {
  region  = var.region
  profile = var.profile
}

# CloudFront reads certificates in us-east-1 only.
provider "aws" {
  alias   = "us_east_1"
  region  = "us-east-1"
  profile = var.profile
}

locals {
  name  = NAME
  hosts = HOST_LIST
}

# The bucket: private, read by the two distributions and by nobody else.

resource "aws_s3_bucket" "page" {
  bucket_prefix = "${local.name}-"
}

resource "aws_s3_bucket_public_access_block" "page" {
  bucket                  = aws_s3_bucket.page.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_policy" "page" {
  bucket = aws_s3_bucket.page.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ThePage"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.page.arn}/*"
        Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.page.arn } }
      },
      {
        Sid       = "TheStatusAlone"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.page.arn}/status.json"
        Condition = { StringEquals = { "AWS:SourceArn" = aws_cloudfront_distribution.status.arn } }
      },
    ]
  })
  depends_on = [aws_s3_bucket_public_access_block.page]
}

resource "aws_cloudfront_origin_access_control" "page" {
  name                              = local.name
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

# The certificate.

resource "aws_acm_certificate" "page" {
  provider                  = aws.us_east_1
  domain_name               = local.hosts[0]
  subject_alternative_names = slice(local.hosts, 1, length(local.hosts))
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "certificate" {
  for_each = {
    for option in aws_acm_certificate.page.domain_validation_options : option.domain_name => option
    if var.zone_id != null
  }
  zone_id = var.zone_id
  name    = each.value.resource_record_name
  type    = each.value.resource_record_type
  records = [each.value.resource_record_value]
  ttl     = 60
  # A name and its wildcard are proven by the same record, and by the one of the site's own certificate.
  allow_overwrite = true
}

# Waits until the records are seen.
resource "aws_acm_certificate_validation" "page" {
  provider        = aws.us_east_1
  certificate_arn = aws_acm_certificate.page.arn
  depends_on      = [aws_route53_record.certificate]
}

# What answers.

resource "aws_cloudfront_function" "page" {
  name    = local.name
  comment = "503 for every path and method"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = <<-JS
FUNCTION
  JS
}

resource "aws_cloudfront_cache_policy" "page" {
  name        = local.name
  comment     = "by path alone, for seconds: visitors never ask the bucket one by one"
  min_ttl     = 5
  default_ttl = 5
  max_ttl     = 300
  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

# What the function adds, for the answers that it never sees: errors of the bucket.
resource "aws_cloudfront_response_headers_policy" "page" {
  name = local.name
  custom_headers_config {
    items {
      header   = "Retry-After"
      value    = "120"
      override = false
    }
    items {
      header   = "Cache-Control"
      value    = "no-store"
      override = false
    }
  }
}

resource "aws_cloudfront_distribution" "page" {
  comment         = "maintenance page of ${join(", ", local.hosts)}"
  enabled         = true
  is_ipv6_enabled = true
  http_version    = "http2and3"
  aliases         = local.hosts

  origin {
    origin_id                = "page"
    domain_name              = aws_s3_bucket.page.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.page.id
  }

  default_cache_behavior {
    target_origin_id = "page"
    # Plain HTTP too: a redirect is no 503, and for other methods than GET it would be a 403.
    viewer_protocol_policy = "allow-all"
    # CloudFront answers a method that is not listed with 403.
    allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = aws_cloudfront_cache_policy.page.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.page.id
    # The objects are packed already.
    compress = false

    function_association {
      event_type   = "viewer-request"
      function_arn = aws_cloudfront_function.page.arn
    }
    function_association {
      event_type   = "viewer-response"
      function_arn = aws_cloudfront_function.page.arn
    }
  }

  # Where the bucket has no answer, or is away: 503 all the same, and never kept.
  dynamic "custom_error_response" {
    for_each = [400, 403, 404, 405, 414, 416, 500, 501, 502, 504]
    content {
      error_code            = custom_error_response.value
      response_code         = 503
      response_page_path    = "/nano.html"
      error_caching_min_ttl = 0
    }
  }
  custom_error_response {
    error_code            = 503
    error_caching_min_ttl = 0
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    acm_certificate_arn      = aws_acm_certificate_validation.page.certificate_arn
    ssl_support_method       = "sni-only"
    minimum_protocol_version = "TLSv1.2_2021"
  }
}

# The status, at a host of its own: a browser keeps its connection to the page, and would never ask the name again.

resource "aws_cloudfront_response_headers_policy" "status" {
  name = "${local.name}-status"
  cors_config {
    access_control_allow_credentials = false
    origin_override                  = true
    access_control_allow_headers {
      items = ["*"]
    }
    access_control_allow_methods {
      items = ["GET", "HEAD"]
    }
    access_control_allow_origins {
      items = ["*"]
    }
  }
}

resource "aws_cloudfront_distribution" "status" {
  comment             = "status of ${join(", ", local.hosts)}"
  enabled             = true
  is_ipv6_enabled     = true
  http_version        = "http2and3"
  default_root_object = "status.json"

  origin {
    origin_id                = "page"
    domain_name              = aws_s3_bucket.page.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.page.id
  }

  default_cache_behavior {
    target_origin_id           = "page"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD", "OPTIONS"]
    cached_methods             = ["GET", "HEAD"]
    cache_policy_id            = aws_cloudfront_cache_policy.page.id
    response_headers_policy_id = aws_cloudfront_response_headers_policy.status.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }
}

output "publish" {
  description = "For `roadworks page publish`."
  value       = "s3://${aws_s3_bucket.page.bucket}"
}

output "distribution" {
  description = "For `roadworks page publish --distribution`."
  value       = aws_cloudfront_distribution.page.id
}

output "status_distribution" {
  description = "The same, for the status."
  value       = aws_cloudfront_distribution.status.id
}

output "domain" {
  description = "Where the maintenance record leads: an alias, with the hosted zone Z2FDTNDATAQYW2 and evaluate_target_health = false, A and AAAA."
  value       = aws_cloudfront_distribution.page.domain_name
}

output "url" {
  description = "For `roadworks page verify`."
  value       = "https://${aws_cloudfront_distribution.page.domain_name}"
}

output "status_url" {
  description = "For `status_url` in the page block of roadworks.hcl."
  value       = "https://${aws_cloudfront_distribution.status.domain_name}/status.json"
}

output "certificate_records" {
  description = "What proves the certificate, where no zone_id is given."
  value = [
    for option in aws_acm_certificate.page.domain_validation_options :
    "${option.resource_record_name} ${option.resource_record_type} ${option.resource_record_value}"
  ]
}
