-- wrk: posts the file $BENCH_BODY, with $BENCH_AUTHORIZATION if that is set, and prints one line of JSON at the end
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Cache-Control"] = "no-store"
wrk.headers["Authorization"] = os.getenv("BENCH_AUTHORIZATION")

function done(summary)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.6f,"failed":%d}\n', summary.requests, summary.duration / 1e6,
    e.connect + e.read + e.write + e.status + e.timeout))
end
