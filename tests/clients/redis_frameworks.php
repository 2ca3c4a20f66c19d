<?php

// Has Laravel do what it does with the settings that its own skeleton of an app has, so that its keys are seen: `laravel` and the port of a Redis.

require 'Illuminate/autoload.php';

use Illuminate\Cache\RateLimiting\Limit;
use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Contracts\Queue\ShouldBeUnique;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Application;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Queue\Middleware;
use Illuminate\Routing\Middleware\ThrottleRequests;
use Illuminate\Session\Middleware\StartSession;
use Illuminate\Support\Facades\{Artisan, Cache, RateLimiter, Redis, Route};

class Job implements ShouldBeUnique, ShouldQueue
{
    use Illuminate\Bus\Queueable, Illuminate\Foundation\Bus\Dispatchable, InteractsWithQueue;

    public $tries = 2;

    public function __construct(public string $does)
    {
    }

    public function uniqueId()
    {
        return $this->does;
    }

    public function middleware()
    {
        return [new Middleware\WithoutOverlapping($this->does), new Middleware\RateLimited('jobs'), new Middleware\ThrottlesExceptions(5),
            new Middleware\ThrottlesExceptionsWithRedis(5)];
    }

    public function handle()
    {
        $this->does === 'fail' ? throw new Exception('meant') : ($this->does === 'release' && $this->release(1));
    }
}

class Pages extends Illuminate\Foundation\Http\Kernel
{
    protected $bootstrappers = [];
}

class Commands extends Illuminate\Foundation\Console\Kernel
{
    protected $bootstrappers = [];
}

$redis = ['host' => '127.0.0.1', 'port' => $argv[2]];
$app = new Application(sys_get_temp_dir());
$app->instance('config', new Illuminate\Config\Repository([
    'app' => ['env' => 'production', 'debug' => false],
    'cache' => [
        'default' => 'redis',
        'prefix' => 'laravel_cache',
        'stores' => ['redis' => ['driver' => 'redis', 'connection' => 'cache']],
    ],
    'database' => ['redis' => [
        'client' => 'phpredis',
        'options' => ['prefix' => 'laravel_database_'],
        'default' => $redis,
        'cache' => $redis + ['database' => 1],
    ]],
    'queue' => [
        'default' => 'redis',
        'connections' => ['redis' => ['driver' => 'redis', 'connection' => 'default', 'queue' => 'default', 'retry_after' => 90]],
        'failed' => ['driver' => 'null'],
    ],
    'session' => [
        'driver' => 'redis',
        'lifetime' => 120,
        'expire_on_close' => false,
        'lottery' => [0, 1],
        'cookie' => 'laravel_session',
        'path' => '/',
        'domain' => null,
    ],
]));
$app->singleton(Illuminate\Contracts\Http\Kernel::class, Pages::class);
$app->singleton(Illuminate\Contracts\Console\Kernel::class, Commands::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);
Illuminate\Support\Facades\Facade::setFacadeApplication($app);
$providers = ['Bus\\Bus', 'Cache\\Cache', 'Database\\Database', 'Filesystem\\Filesystem', 'Foundation\\Providers\\ConsoleSupport',
    'Queue\\Queue', 'Redis\\Redis', 'Session\\Session'];
foreach ($providers as $provider) {
    $app->register("Illuminate\\{$provider}ServiceProvider");
}
$app->detectEnvironment(fn () => 'production');
$app->boot();

Cache::put('price:7', 5, 60);
Cache::many(['price:7', 'price:8']);
Cache::putMany(['price:8' => 8], 60);
Cache::remember('price:9', 60, fn () => 9);
Cache::add('price:10', 1, 60);
Cache::increment('price:hits');
Cache::forever('price:11', 1);
Cache::tags(['price', 'shop'])->put('price:12', 5, 60);
Cache::tags(['price'])->forever('price:13', 5);
Cache::tags(['price'])->flush();
Cache::forget('price:7');
Cache::lock('lock:import', 10)->get(fn () => true);
Redis::throttle('lock:mail')->allow(1)->every(60)->then(fn () => true);
Redis::funnel('lock:report')->limit(1)->then(fn () => true);

RateLimiter::for('pages', fn ($request) => Limit::perMinute(60)->by($request->ip()));
RateLimiter::for('jobs', fn () => Limit::perMinute(60));
$limited = [StartSession::class, ThrottleRequests::class.':60,1', ThrottleRequests::class.':pages'];
Route::get('/', fn () => session()->put('user', 7))->middleware($limited)->block(10, 10);
foreach ([1, 2] as $visit) {
    $answer = $app->make(Pages::class)->handle(Illuminate\Http\Request::create('/'));
    $answer->getStatusCode() === 200 || throw $answer->exception;
}

foreach (['pass', 'pass', 'release', 'fail'] as $does) {
    Job::dispatch($does);
}
Job::dispatch('later')->delay(3600);
Artisan::call('queue:work', ['--stop-when-empty' => true]);
Artisan::call('queue:restart');
Artisan::call('queue:work', ['--stop-when-empty' => true, '--once' => true]);
Artisan::call('queue:clear', ['--force' => true]);

$app->make(Schedule::class)->call(fn () => true)->name('nightly')->withoutOverlapping()->onOneServer();
Artisan::call('schedule:run');
