//! Every command of Redis 7.0: where its keys are, and what becomes of it while Redis is away.
//!
//! The first three columns are what `COMMAND` of Redis 7.0.15 says; tests/redis/commands.rs asks a real one. A command that is not
//! here is passed on while Redis is there, and refused while it is not.

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// In lower case.
    pub name: &'static str,
    /// So many arguments with the name; negative for at least as many.
    pub arity: i64,
    /// Where its keys are.
    pub keys: Keys,
    /// What becomes of it while Redis is away.
    pub family: Family,
    /// The forms that are answered for it: see `syntax`. Any other is refused.
    pub forms: &'static str,
}

/// Where keys are among the arguments; the name is number 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// It has none.
    None,
    /// The first, the last (negative from the end), and how far from one to the next.
    At(usize, i64, usize),
    /// Their count is here, and they come after it.
    Counted(usize),
    /// One at 1, a count at 2, the others after it.
    FirstAndCounted,
    /// The first half of what comes after `STREAMS`.
    Streams,
    /// One at 1, and one after each `STORE` or `STOREDIST`.
    FirstAndStore,
    /// Not looked for: it is never answered.
    Unknown,
}

/// What becomes of a command while Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Never answered: what it grants, counts or promises could not be kept.
    Never,
    /// Read, which misses.
    Read(Miss),
    /// Read of which keys there are: whoever deletes what it finds must not believe that all was found.
    Search,
    /// `SET` and `GETEX`, by their options.
    Set,
    /// Written only where nothing is there: it is not, because a lock is not granted.
    Unset,
    /// Counts, or adds to what was there: answered as if nothing had been there, where somebody wants that.
    Count,
    /// Written and gone at once, or deleted: what Redis still has of it must go before it is read again.
    Write(Dropped),
    /// Everything is deleted.
    Flush,
    /// Waits for something, which does not come.
    Blocking,
    /// Told to nobody.
    Message,
    /// Listens for messages.
    Subscribe,
    /// Queued commands.
    Transaction,
    /// Of the connection, or of the server: answered here.
    Local,
}

/// What an empty Redis says to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// `$-1`
    Nil,
    /// As many as it has keys.
    NilEachKey,
    /// As many as it has arguments after the key.
    NilEach,
    /// The same, each `*-1`.
    NilArrayEach,
    /// `:0`
    Zero,
    /// As many as it has arguments after the key.
    ZeroEach,
    /// `:-2`, for a key that is not there.
    NoTtl,
    /// `+none`
    NoType,
    /// `$0`: not nil.
    EmptyText,
    /// `*0`
    List,
    /// `%0` in RESP3.
    Map,
    /// `~0` in RESP3.
    Set,
    /// At its end, and nothing found.
    Cursor,
    /// That depends on what is asked.
    Asked,
}

/// What an empty Redis says to a write of what it evicts at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// `+OK`
    Ok,
    /// `$-1`: nothing was there before.
    Nil,
    /// `:0`: nothing was there to change.
    Zero,
    /// How many fields are new.
    Fields,
}

use Family::{
    Blocking, Count, Flush, Local, Message, Never, Read, Search, Set, Subscribe, Transaction,
    Unset, Write,
};

/// The command of this name, in whatever case.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let begins = beginning(name);
    let first = BEGINNINGS.partition_point(|own| *own < begins);
    let alike = BEGINNINGS.get(first..)?.iter().take_while(|own| **own == begins).count();
    let found = COMMANDS.get(first..first + alike)?;
    found.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The same; the one that was found last is often asked for again.
pub fn find_after(last: Option<&'static Command>, name: &[u8]) -> Option<&'static Command> {
    last.filter(|last| last.name.as_bytes().eq_ignore_ascii_case(name)).or_else(|| find(name))
}

/// The first eight bytes of each name, in their order: a name is looked for with each command that is passed on, and so are numbers
/// side by side and not texts all over the place.
static BEGINNINGS: [u64; COMMANDS.len()] = {
    let (mut all, mut at) = ([0; COMMANDS.len()], 0);
    #[expect(clippy::indexing_slicing, reason = "what is wrong in a constant is not built")]
    while at < all.len() {
        all[at] = beginning(COMMANDS[at].name.as_bytes());
        at += 1;
    }
    all
};

/// The first eight bytes in lower case, as a number that is as large as they come late.
const fn beginning(name: &[u8]) -> u64 {
    let (mut number, mut at) = (0, 0);
    #[expect(clippy::indexing_slicing, reason = "it is not behind the end")]
    while at < 8 {
        let byte = if at < name.len() { name[at].to_ascii_lowercase() } else { 0 };
        number = number << 8 | byte as u64;
        at += 1;
    }
    number
}

/// All of them, by name.
pub fn all() -> &'static [Command] {
    &COMMANDS
}

const fn row(
    name: &'static str,
    arity: i64,
    keys: Keys,
    family: Family,
    forms: &'static str,
) -> Command {
    Command { name, arity, keys, family, forms }
}

#[rustfmt::skip]
static COMMANDS: [Command; 240] = [
    row("acl", -2, Keys::None, Never, ""),
    row("append", 3, Keys::At(1, 1, 1), Count, "v v"),
    row("asking", 1, Keys::None, Local, ""),
    row("auth", -2, Keys::None, Local, ""),
    row("bgrewriteaof", 1, Keys::None, Never, ""),
    row("bgsave", -1, Keys::None, Never, ""),
    row("bitcount", -2, Keys::At(1, 1, 1), Read(Miss::Zero), "v | v i i <BYTE BIT>"),
    row("bitfield", -2, Keys::At(1, 1, 1), Never, ""),
    row("bitfield_ro", -2, Keys::At(1, 1, 1), Read(Miss::Asked), "v GET o b"),
    row("bitop", -4, Keys::At(2, -1, 1), Never, ""),
    row("bitpos", -3, Keys::At(1, 1, 1), Read(Miss::Asked), "v B | v B i | v B i i <BYTE BIT>"),
    row("blmove", 6, Keys::At(1, 2, 1), Blocking, "v v l l t"),
    row("blmpop", -5, Keys::Counted(2), Blocking, "t # l <COUNT:p>"),
    row("blpop", -3, Keys::At(1, -2, 1), Blocking, "* t"),
    row("brpop", -3, Keys::At(1, -2, 1), Blocking, "* t"),
    row("brpoplpush", 4, Keys::At(1, 2, 1), Blocking, "v v t"),
    row("bzmpop", -5, Keys::Counted(2), Blocking, "t # m <COUNT:p>"),
    row("bzpopmax", -3, Keys::At(1, -2, 1), Blocking, "* t"),
    row("bzpopmin", -3, Keys::At(1, -2, 1), Blocking, "* t"),
    row("client", -2, Keys::None, Local, ""),
    row("cluster", -2, Keys::None, Local, ""),
    row("command", -1, Keys::None, Local, ""),
    row("config", -2, Keys::None, Local, ""),
    row("copy", -3, Keys::At(1, 2, 1), Write(Dropped::Zero), "v v <REPLACE>"),
    row("dbsize", 1, Keys::None, Read(Miss::Zero), ""),
    row("debug", -2, Keys::None, Never, ""),
    row("decr", 2, Keys::At(1, 1, 1), Count, "v"),
    row("decrby", 3, Keys::At(1, 1, 1), Count, "v i"),
    row("del", -2, Keys::At(1, -1, 1), Write(Dropped::Zero), "*"),
    row("discard", 1, Keys::None, Transaction, ""),
    row("dump", 2, Keys::At(1, 1, 1), Read(Miss::Nil), "v"),
    row("echo", 2, Keys::None, Local, ""),
    row("eval", -3, Keys::Counted(2), Never, ""),
    row("eval_ro", -3, Keys::Counted(2), Never, ""),
    row("evalsha", -3, Keys::Counted(2), Never, ""),
    row("evalsha_ro", -3, Keys::Counted(2), Never, ""),
    row("exec", 1, Keys::None, Transaction, ""),
    row("exists", -2, Keys::At(1, -1, 1), Read(Miss::Zero), "*"),
    row("expire", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v e <NX XX GT LT>"),
    row("expireat", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v e <NX XX GT LT>"),
    row("expiretime", 2, Keys::At(1, 1, 1), Read(Miss::NoTtl), "v"),
    row("failover", -1, Keys::None, Never, ""),
    row("fcall", -3, Keys::Counted(2), Never, ""),
    row("fcall_ro", -3, Keys::Counted(2), Never, ""),
    row("flushall", -1, Keys::None, Never, ""),
    row("flushdb", -1, Keys::None, Flush, "| ASYNC | SYNC"),
    row("function", -2, Keys::None, Never, ""),
    row("geoadd", -5, Keys::At(1, 1, 1), Never, ""),
    row("geodist", -4, Keys::At(1, 1, 1), Read(Miss::Nil), "v v v <M KM FT MI>"),
    row("geohash", -2, Keys::At(1, 1, 1), Read(Miss::NilEach), "v | v *"),
    row("geopos", -2, Keys::At(1, 1, 1), Read(Miss::NilArrayEach), "v | v *"),
    row("georadius", -6, Keys::FirstAndStore, Never, ""),
    row("georadius_ro", -6, Keys::At(1, 1, 1), Read(Miss::List), "v f g r w {ASC DESC COUNT:p WITHCOORD WITHDIST WITHHASH}"),
    row("georadiusbymember", -5, Keys::FirstAndStore, Never, ""),
    row("georadiusbymember_ro", -5, Keys::At(1, 1, 1), Read(Miss::List), "v v r w {ASC DESC COUNT:p WITHCOORD WITHDIST WITHHASH}"),
    row("geosearch", -7, Keys::At(1, 1, 1), Read(Miss::List), "v FROMMEMBER v BYRADIUS r w {ASC DESC COUNT:p WITHCOORD WITHDIST WITHHASH} | v FROMMEMBER v BYBOX r r w {ASC DESC COUNT:p WITHCOORD WITHDIST WITHHASH} | v FROMLONLAT f g BYRADIUS r w {ASC DESC COUNT:p WITHCOORD WITHDIST WITHHASH} | v FROMLONLAT f g BYBOX r r w {ASC DESC COUNT:p WITHCOORD WITHDIST WITHHASH}"),
    row("geosearchstore", -8, Keys::At(1, 2, 1), Never, ""),
    row("get", 2, Keys::At(1, 1, 1), Read(Miss::Nil), "v"),
    row("getbit", 3, Keys::At(1, 1, 1), Read(Miss::Zero), "v b"),
    row("getdel", 2, Keys::At(1, 1, 1), Write(Dropped::Nil), "v"),
    row("getex", -2, Keys::At(1, 1, 1), Set, "v <PERSIST EX:p PX:p EXAT:p PXAT:p>"),
    row("getrange", 4, Keys::At(1, 1, 1), Read(Miss::EmptyText), "v i i"),
    row("getset", 3, Keys::At(1, 1, 1), Write(Dropped::Nil), "v v"),
    row("hdel", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v *"),
    row("hello", -1, Keys::None, Local, ""),
    row("hexists", 3, Keys::At(1, 1, 1), Read(Miss::Zero), "v v"),
    row("hget", 3, Keys::At(1, 1, 1), Read(Miss::Nil), "v v"),
    row("hgetall", 2, Keys::At(1, 1, 1), Read(Miss::Map), "v"),
    row("hincrby", 4, Keys::At(1, 1, 1), Count, "v v i"),
    row("hincrbyfloat", 4, Keys::At(1, 1, 1), Count, "v v k"),
    row("hkeys", 2, Keys::At(1, 1, 1), Read(Miss::List), "v"),
    row("hlen", 2, Keys::At(1, 1, 1), Read(Miss::Zero), "v"),
    row("hmget", -3, Keys::At(1, 1, 1), Read(Miss::NilEach), "v *"),
    row("hmset", -4, Keys::At(1, 1, 1), Write(Dropped::Ok), "v %"),
    row("hrandfield", -2, Keys::At(1, 1, 1), Read(Miss::Asked), "v | v i <WITHVALUES>"),
    row("hscan", -3, Keys::At(1, 1, 1), Read(Miss::Cursor), "v c {MATCH:v COUNT:p}"),
    row("hset", -4, Keys::At(1, 1, 1), Write(Dropped::Fields), "v %"),
    row("hsetnx", 4, Keys::At(1, 1, 1), Unset, "v v v"),
    row("hstrlen", 3, Keys::At(1, 1, 1), Read(Miss::Zero), "v v"),
    row("hvals", 2, Keys::At(1, 1, 1), Read(Miss::List), "v"),
    row("incr", 2, Keys::At(1, 1, 1), Count, "v"),
    row("incrby", 3, Keys::At(1, 1, 1), Count, "v i"),
    row("incrbyfloat", 3, Keys::At(1, 1, 1), Count, "v k"),
    row("info", -1, Keys::None, Local, ""),
    row("keys", 2, Keys::None, Search, "v"),
    row("lastsave", 1, Keys::None, Never, ""),
    row("latency", -2, Keys::None, Never, ""),
    row("lcs", -3, Keys::At(1, 2, 1), Read(Miss::Asked), "v v <LEN>"),
    row("lindex", 3, Keys::At(1, 1, 1), Read(Miss::Nil), "v i"),
    row("linsert", 5, Keys::At(1, 1, 1), Never, ""),
    row("llen", 2, Keys::At(1, 1, 1), Read(Miss::Zero), "v"),
    row("lmove", 5, Keys::At(1, 2, 1), Never, ""),
    row("lmpop", -4, Keys::Counted(1), Never, ""),
    row("lolwut", -1, Keys::None, Never, ""),
    row("lpop", -2, Keys::At(1, 1, 1), Never, ""),
    row("lpos", -3, Keys::At(1, 1, 1), Read(Miss::Asked), "v v {RANK:j COUNT:u MAXLEN:u}"),
    row("lpush", -3, Keys::At(1, 1, 1), Never, ""),
    row("lpushx", -3, Keys::At(1, 1, 1), Never, ""),
    row("lrange", 4, Keys::At(1, 1, 1), Read(Miss::List), "v i i"),
    row("lrem", 4, Keys::At(1, 1, 1), Write(Dropped::Zero), "v i v"),
    row("lset", 4, Keys::At(1, 1, 1), Never, ""),
    row("ltrim", 4, Keys::At(1, 1, 1), Write(Dropped::Ok), "v i i"),
    row("memory", -2, Keys::At(2, 2, 1), Read(Miss::Asked), "USAGE v <SAMPLES:u>"),
    row("mget", -2, Keys::At(1, -1, 1), Read(Miss::NilEachKey), "*"),
    row("migrate", -6, Keys::Unknown, Never, ""),
    row("module", -2, Keys::None, Never, ""),
    row("monitor", 1, Keys::None, Never, ""),
    row("move", 3, Keys::At(1, 1, 1), Never, ""),
    row("mset", -3, Keys::At(1, -1, 2), Write(Dropped::Ok), "%"),
    row("msetnx", -3, Keys::At(1, -1, 2), Unset, "%"),
    row("multi", 1, Keys::None, Transaction, ""),
    row("object", -2, Keys::At(2, 2, 1), Read(Miss::Asked), "ENCODING v | FREQ v | IDLETIME v | REFCOUNT v"),
    row("persist", 2, Keys::At(1, 1, 1), Write(Dropped::Zero), "v"),
    row("pexpire", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v e <NX XX GT LT>"),
    row("pexpireat", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v e <NX XX GT LT>"),
    row("pexpiretime", 2, Keys::At(1, 1, 1), Read(Miss::NoTtl), "v"),
    row("pfadd", -2, Keys::At(1, 1, 1), Count, "v *"),
    row("pfcount", -2, Keys::At(1, -1, 1), Read(Miss::Zero), "*"),
    row("pfdebug", 3, Keys::At(2, 2, 1), Never, ""),
    row("pfmerge", -2, Keys::At(1, -1, 1), Never, ""),
    row("pfselftest", 1, Keys::None, Never, ""),
    row("ping", -1, Keys::None, Local, ""),
    row("psetex", 4, Keys::At(1, 1, 1), Write(Dropped::Ok), "v p v"),
    row("psubscribe", -2, Keys::None, Subscribe, ""),
    row("psync", -3, Keys::None, Never, ""),
    row("pttl", 2, Keys::At(1, 1, 1), Read(Miss::NoTtl), "v"),
    row("publish", 3, Keys::None, Message, "v v"),
    row("pubsub", -2, Keys::None, Message, "CHANNELS | CHANNELS v | SHARDCHANNELS | SHARDCHANNELS v | NUMPAT | NUMSUB | NUMSUB * | SHARDNUMSUB | SHARDNUMSUB *"),
    row("punsubscribe", -1, Keys::None, Subscribe, ""),
    row("quit", -1, Keys::None, Local, ""),
    row("randomkey", 1, Keys::None, Read(Miss::Nil), ""),
    row("readonly", 1, Keys::None, Local, ""),
    row("readwrite", 1, Keys::None, Local, ""),
    row("rename", 3, Keys::At(1, 2, 1), Never, ""),
    row("renamenx", 3, Keys::At(1, 2, 1), Never, ""),
    row("replconf", -1, Keys::None, Never, ""),
    row("replicaof", 3, Keys::None, Never, ""),
    row("reset", 1, Keys::None, Local, ""),
    row("restore", -4, Keys::At(1, 1, 1), Never, ""),
    row("restore-asking", -4, Keys::At(1, 1, 1), Never, ""),
    row("role", 1, Keys::None, Never, ""),
    row("rpop", -2, Keys::At(1, 1, 1), Never, ""),
    row("rpoplpush", 3, Keys::At(1, 2, 1), Never, ""),
    row("rpush", -3, Keys::At(1, 1, 1), Never, ""),
    row("rpushx", -3, Keys::At(1, 1, 1), Never, ""),
    row("sadd", -3, Keys::At(1, 1, 1), Never, ""),
    row("save", 1, Keys::None, Never, ""),
    row("scan", -2, Keys::None, Search, "c {MATCH:v COUNT:p TYPE:v}"),
    row("scard", 2, Keys::At(1, 1, 1), Read(Miss::Zero), "v"),
    row("script", -2, Keys::None, Local, ""),
    row("sdiff", -2, Keys::At(1, -1, 1), Read(Miss::Set), "*"),
    row("sdiffstore", -3, Keys::At(1, -1, 1), Never, ""),
    row("select", 2, Keys::None, Local, ""),
    row("set", -3, Keys::At(1, 1, 1), Set, "v v {NX XX GET KEEPTTL EX:p PX:p EXAT:p PXAT:p}"),
    row("setbit", 4, Keys::At(1, 1, 1), Count, "v b B"),
    row("setex", 4, Keys::At(1, 1, 1), Write(Dropped::Ok), "v p v"),
    row("setnx", 3, Keys::At(1, 1, 1), Unset, "v v"),
    row("setrange", 4, Keys::At(1, 1, 1), Never, ""),
    row("shutdown", -1, Keys::None, Never, ""),
    row("sinter", -2, Keys::At(1, -1, 1), Read(Miss::Set), "*"),
    row("sintercard", -3, Keys::Counted(1), Read(Miss::Zero), "# <LIMIT:u>"),
    row("sinterstore", -3, Keys::At(1, -1, 1), Never, ""),
    row("sismember", 3, Keys::At(1, 1, 1), Read(Miss::Zero), "v v"),
    row("slaveof", 3, Keys::None, Never, ""),
    row("slowlog", -2, Keys::None, Never, ""),
    row("smembers", 2, Keys::At(1, 1, 1), Read(Miss::Set), "v"),
    row("smismember", -3, Keys::At(1, 1, 1), Read(Miss::ZeroEach), "v *"),
    row("smove", 4, Keys::At(1, 2, 1), Never, ""),
    row("sort", -2, Keys::FirstAndStore, Never, ""),
    row("sort_ro", -2, Keys::At(1, 1, 1), Read(Miss::List), "v {BY:v LIMIT:ii ASC DESC ALPHA GET:v}"),
    row("spop", -2, Keys::At(1, 1, 1), Never, ""),
    row("spublish", 3, Keys::At(1, 1, 1), Message, "v v"),
    row("srandmember", -2, Keys::At(1, 1, 1), Read(Miss::Asked), "v | v i"),
    row("srem", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v *"),
    row("sscan", -3, Keys::At(1, 1, 1), Read(Miss::Cursor), "v c {MATCH:v COUNT:p}"),
    row("ssubscribe", -2, Keys::At(1, -1, 1), Subscribe, ""),
    row("strlen", 2, Keys::At(1, 1, 1), Read(Miss::Zero), "v"),
    row("subscribe", -2, Keys::None, Subscribe, ""),
    row("substr", 4, Keys::At(1, 1, 1), Read(Miss::EmptyText), "v i i"),
    row("sunion", -2, Keys::At(1, -1, 1), Read(Miss::Set), "*"),
    row("sunionstore", -3, Keys::At(1, -1, 1), Never, ""),
    row("sunsubscribe", -1, Keys::At(1, -1, 1), Subscribe, ""),
    row("swapdb", 3, Keys::None, Never, ""),
    row("sync", 1, Keys::None, Never, ""),
    row("time", 1, Keys::None, Local, ""),
    row("touch", -2, Keys::At(1, -1, 1), Read(Miss::Zero), "*"),
    row("ttl", 2, Keys::At(1, 1, 1), Read(Miss::NoTtl), "v"),
    row("type", 2, Keys::At(1, 1, 1), Read(Miss::NoType), "v"),
    row("unlink", -2, Keys::At(1, -1, 1), Write(Dropped::Zero), "*"),
    row("unsubscribe", -1, Keys::None, Subscribe, ""),
    row("unwatch", 1, Keys::None, Transaction, ""),
    row("wait", 3, Keys::None, Blocking, "u u"),
    row("watch", -2, Keys::At(1, -1, 1), Transaction, ""),
    row("xack", -4, Keys::At(1, 1, 1), Never, ""),
    row("xadd", -5, Keys::At(1, 1, 1), Never, ""),
    row("xautoclaim", -6, Keys::At(1, 1, 1), Never, ""),
    row("xclaim", -6, Keys::At(1, 1, 1), Never, ""),
    row("xdel", -3, Keys::At(1, 1, 1), Never, ""),
    row("xgroup", -2, Keys::At(2, 2, 1), Never, ""),
    row("xinfo", -2, Keys::At(2, 2, 1), Never, ""),
    row("xlen", 2, Keys::At(1, 1, 1), Read(Miss::Zero), "v"),
    row("xpending", -3, Keys::At(1, 1, 1), Never, ""),
    row("xrange", -4, Keys::At(1, 1, 1), Read(Miss::List), "v d d <COUNT:p>"),
    row("xread", -4, Keys::Streams, Blocking, "STREAMS * | COUNT i STREAMS * | BLOCK u STREAMS * | COUNT i BLOCK u STREAMS * | BLOCK u COUNT i STREAMS *"),
    row("xreadgroup", -7, Keys::Streams, Never, ""),
    row("xrevrange", -4, Keys::At(1, 1, 1), Read(Miss::List), "v d d <COUNT:p>"),
    row("xsetid", -3, Keys::At(1, 1, 1), Never, ""),
    row("xtrim", -4, Keys::At(1, 1, 1), Never, ""),
    row("zadd", -4, Keys::At(1, 1, 1), Never, ""),
    row("zcard", 2, Keys::At(1, 1, 1), Read(Miss::Zero), "v"),
    row("zcount", 4, Keys::At(1, 1, 1), Read(Miss::Zero), "v s s"),
    row("zdiff", -3, Keys::Counted(1), Read(Miss::List), "# {WITHSCORES}"),
    row("zdiffstore", -4, Keys::FirstAndCounted, Never, ""),
    row("zincrby", 4, Keys::At(1, 1, 1), Never, ""),
    row("zinter", -3, Keys::Counted(1), Read(Miss::List), "# {WITHSCORES}"),
    row("zintercard", -3, Keys::Counted(1), Read(Miss::Zero), "# <LIMIT:u>"),
    row("zinterstore", -4, Keys::FirstAndCounted, Never, ""),
    row("zlexcount", 4, Keys::At(1, 1, 1), Read(Miss::Zero), "v x x"),
    row("zmpop", -4, Keys::Counted(1), Never, ""),
    row("zmscore", -3, Keys::At(1, 1, 1), Read(Miss::NilEach), "v *"),
    row("zpopmax", -2, Keys::At(1, 1, 1), Never, ""),
    row("zpopmin", -2, Keys::At(1, 1, 1), Never, ""),
    row("zrandmember", -2, Keys::At(1, 1, 1), Read(Miss::Asked), "v | v i <WITHSCORES>"),
    row("zrange", -4, Keys::At(1, 1, 1), Read(Miss::List), "v i i {REV WITHSCORES} | v s s BYSCORE {REV WITHSCORES LIMIT:ii} | v x x BYLEX {REV LIMIT:ii}"),
    row("zrangebylex", -4, Keys::At(1, 1, 1), Read(Miss::List), "v x x {LIMIT:ii}"),
    row("zrangebyscore", -4, Keys::At(1, 1, 1), Read(Miss::List), "v s s {WITHSCORES LIMIT:ii}"),
    row("zrangestore", -5, Keys::At(1, 2, 1), Never, ""),
    row("zrank", 3, Keys::At(1, 1, 1), Read(Miss::Asked), "v v"),
    row("zrem", -3, Keys::At(1, 1, 1), Write(Dropped::Zero), "v *"),
    row("zremrangebylex", 4, Keys::At(1, 1, 1), Write(Dropped::Zero), "v x x"),
    row("zremrangebyrank", 4, Keys::At(1, 1, 1), Write(Dropped::Zero), "v i i"),
    row("zremrangebyscore", 4, Keys::At(1, 1, 1), Write(Dropped::Zero), "v s s"),
    row("zrevrange", -4, Keys::At(1, 1, 1), Read(Miss::List), "v i i <WITHSCORES>"),
    row("zrevrangebylex", -4, Keys::At(1, 1, 1), Read(Miss::List), "v x x {LIMIT:ii}"),
    row("zrevrangebyscore", -4, Keys::At(1, 1, 1), Read(Miss::List), "v s s {WITHSCORES LIMIT:ii}"),
    row("zrevrank", 3, Keys::At(1, 1, 1), Read(Miss::Asked), "v v"),
    row("zscan", -3, Keys::At(1, 1, 1), Read(Miss::Cursor), "v c {MATCH:v COUNT:p}"),
    row("zscore", 3, Keys::At(1, 1, 1), Read(Miss::Nil), "v v"),
    row("zunion", -3, Keys::Counted(1), Read(Miss::List), "# {WITHSCORES}"),
    row("zunionstore", -4, Keys::FirstAndCounted, Never, ""),
];
