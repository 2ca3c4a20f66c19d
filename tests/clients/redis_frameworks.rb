# Has a framework do what it does with its own defaults, so that its keys are seen: `rails` or `sidekiq`, and the port of a Redis.

framework, port = ARGV
URL = "redis://127.0.0.1:#{port}/0"

def rails
  require "active_support"
  require "active_support/cache/redis_cache_store"
  require "action_controller"
  require "rack/attack"
  require "rack/mock"
  require "redis-actionpack"

  cache = ActiveSupport::Cache::RedisCacheStore.new(url: URL)
  cache.write("price/7", 5, expires_in: 60)
  2.times { raise unless cache.fetch("price/8", race_condition_ttl: 5, expires_in: 60) { 8 } == 8 }
  raise unless cache.read_multi("price/7", "price/8", "price/9").size == 2
  cache.fetch_multi("price/7", "price/9", &:itself)
  cache.increment("price/hits")
  cache.decrement("price/hits")
  cache.delete("price/9")
  cache.delete_matched("price/8*")

  # Parts of pages, whose keys have the names of their templates.
  pages = Class.new(ActionController::Base) do
    require "action_view/testing/resolvers"
    def self.name = "SessionsController"
    append_view_path ActionView::FixtureResolver.new("sessions/_block.html.erb" => "<% cache(['form', 7]) do %>form<% end %>")
    define_method(:show) { render partial: "sessions/block" }
  end
  pages.cache_store, pages.perform_caching = cache, true

  # Who is logged in, in the cache and in a store of its own, and who asks too often.
  login = ->(env) { [200, {}, [env["rack.session"]["user"] ||= "7"]] }
  Rack::Attack.cache.store = cache
  Rack::Attack.throttle("logins", limit: 1, period: 60) { |request| request.ip }
  Rack::Attack.blocklist("bots") do |request|
    Rack::Attack::Fail2Ban.filter(request.ip, maxretry: 1, findtime: 60, bantime: 60) { request.path == "/wp-login" }
  end
  stores = [ActionDispatch::Session::CacheStore.new(login, cache: cache),
            ActionDispatch::Session::RedisStore.new(login, servers: [URL], key: "_shop", expire_after: 3_600)]
  [*stores, Rack::Attack.new(->(_) { [200, {}, []] }), pages.action(:show)].each do |app|
    visitor = Rack::MockRequest.new(app)
    ["/", "/", "/wp-login", "/"].each { |path| visitor.get(path, "REMOTE_ADDR" => "203.0.113.7") }
  end
end

def sidekiq
  require "sidekiq"
  require "sidekiq/api"
  require "sidekiq/launcher"

  Sidekiq.logger.level = Logger::FATAL
  Sidekiq.redis = {url: URL}
  # It sends itself one, to be quiet.
  trap("TSTP", "IGNORE")
  seen = false
  Object.const_set(:Job, Class.new do
    include Sidekiq::Worker
    sidekiq_options retry: 1
    define_method(:perform) { |what| what == "wait" ? (sleep 0.02 until seen) : (raise what if what != "pass") }
  end)
  Job.perform_async("wait")
  Job.perform_async("fails")
  Sidekiq::Client.push_bulk("class" => Job, "args" => [["pass"], ["pass"]])
  Sidekiq::Client.push("class" => Job, "args" => ["dies"], "retry" => 0)
  Job.perform_in(0.1, "pass")
  Job.perform_in(3_600, "pass")

  launcher = Sidekiq::Launcher.new(Sidekiq.options.merge(queues: ["default"], concurrency: 2, timeout: 5))
  launcher.run
  stats = -> { Sidekiq::Stats.new }
  sleep 0.02 until [stats.().retry_size, stats.().dead_size] == [1, 1]
  sleep 0.02 until (launcher.send(:heartbeat); Sidekiq::Workers.new.size == 1)
  sleep 0.02 until (launcher.poller.enqueue; stats.().scheduled_size == 1)
  seen = true
  sleep 0.02 until stats.().enqueued == 0
  Sidekiq::RetrySet.new.each(&:retry)
  Sidekiq::Stats::History.new(2).processed
  Sidekiq::Queue.all.each(&:latency)
  Sidekiq::ProcessSet.new.each(&:quiet!)
  launcher.stop
  Sidekiq::Queue.new.clear
end

send(framework)
