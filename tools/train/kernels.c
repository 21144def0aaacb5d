// The parts of a training step that are no matrix products, for one thread each. Activations are bf16, sums are fp32.
// kernels.py compiles this file for the machine that it runs on and calls it through ctypes, without Python's lock.
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

static inline float up(bf16 v) {
  uint32_t bits = (uint32_t)v << 16;
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

static inline bf16 down(float f) {
  uint32_t bits;
  memcpy(&bits, &f, 4);
  return (bf16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// e^x to 1e-6 or so, in a form that compilers turn into vectors: the library's needs a fifth of the time of a step.
static inline float fast_exp(float x) {
  x = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  float t = x * 1.44269504f, n = rintf(t), f = (t - n) * 0.69314718f;
  float p = 1.0f + f * (1.0f + f * (0.5f + f * (0.16666667f + f * (0.041666667f + f * (0.0083333333f + f * 0.0013888889f)))));
  int32_t bits = ((int32_t)n + 127) << 23;
  float power;
  memcpy(&power, &bits, 4);
  return p * power;
}

// x += delta (where there is one); y = x / rms(x); r = 1 / rms(x). n rows of d.
void add_norm(float* x, const bf16* delta, bf16* y, float* r, long n, long d) {
  for (long i = 0; i < n; i++) {
    float* row = x + i * d;
    float sum = 0;
    if (delta)
      for (long j = 0; j < d; j++) row[j] += up(delta[i * d + j]);
    for (long j = 0; j < d; j++) sum += row[j] * row[j];
    float scale = 1.0f / sqrtf(sum / d + 1e-5f);
    r[i] = scale;
    for (long j = 0; j < d; j++) y[i * d + j] = down(row[j] * scale);
  }
}

// dx += r * (dy - y * mean(dy * y)); also dx as bf16.
void norm_back(float* dx, bf16* dx16, const bf16* dy, const bf16* y, const float* r, long n, long d) {
  for (long i = 0; i < n; i++) {
    const bf16 *g = dy + i * d, *v = y + i * d;
    float dot = 0;
    for (long j = 0; j < d; j++) dot += up(g[j]) * up(v[j]);
    dot /= d;
    for (long j = 0; j < d; j++) {
      float s = dx[i * d + j] + r[i] * (up(g[j]) - up(v[j]) * dot);
      dx[i * d + j] = s;
      dx16[i * d + j] = down(s);
    }
  }
}

// Rows of 2f: gate, then up. a = silu(gate) * up.
void swiglu(const bf16* gu, bf16* a, long n, long f) {
  for (long i = 0; i < n; i++) {
    const bf16 *g = gu + i * 2 * f, *u = g + f;
    for (long j = 0; j < f; j++) {
      float x = up(g[j]);
      a[i * f + j] = down(x / (1.0f + fast_exp(-x)) * up(u[j]));
    }
  }
}

void swiglu_back(const bf16* gu, const bf16* da, bf16* dgu, long n, long f) {
  for (long i = 0; i < n; i++) {
    const bf16 *g = gu + i * 2 * f, *u = g + f;
    bf16 *dg = dgu + i * 2 * f, *du = dg + f;
    for (long j = 0; j < f; j++) {
      float x = up(g[j]), s = 1.0f / (1.0f + fast_exp(-x)), d = up(da[i * f + j]);
      du[j] = down(d * x * s);
      dg[j] = down(d * up(u[j]) * s * (1.0f + x * (1.0f - s)));
    }
  }
}

// Rotates pairs (2i, 2i+1), as GGUF's "llama" does. sign -1 rotates back.
static inline void rotate(const bf16* in, bf16* out, const float* cs, long h, float sign) {
  for (long j = 0; j < h; j += 2) {
    float a = up(in[j]), b = up(in[j + 1]), c = cs[j], s = cs[j + 1] * sign;
    out[j] = down(a * c - b * s);
    out[j + 1] = down(a * s + b * c);
  }
}

// qkv: [b, t, heads * h + 2 * kv * h] to q [b, kv, group * t, h], k and v [b, kv, t, h].
void split_heads(const bf16* qkv, bf16* q, bf16* k, bf16* v, const float* table, long b, long t, long heads, long kv, long h) {
  long group = heads / kv, width = (heads + 2 * kv) * h;
  for (long i = 0; i < b; i++)
    for (long p = 0; p < t; p++) {
      const bf16* row = qkv + (i * t + p) * width;
      const float* cs = table + p * h;
      for (long n = 0; n < heads; n++)
        rotate(row + n * h, q + (((i * kv + n / group) * group + n % group) * t + p) * h, cs, h, 1);
      for (long n = 0; n < kv; n++) {
        rotate(row + (heads + n) * h, k + ((i * kv + n) * t + p) * h, cs, h, 1);
        memcpy(v + ((i * kv + n) * t + p) * h, row + (heads + kv + n) * h, h * sizeof(bf16));
      }
    }
}

void join_heads_back(bf16* dqkv, const bf16* dq, const bf16* dk, const bf16* dv, const float* table, long b, long t, long heads,
                     long kv, long h) {
  long group = heads / kv, width = (heads + 2 * kv) * h;
  for (long i = 0; i < b; i++)
    for (long p = 0; p < t; p++) {
      bf16* row = dqkv + (i * t + p) * width;
      const float* cs = table + p * h;
      for (long n = 0; n < heads; n++)
        rotate(dq + (((i * kv + n / group) * group + n % group) * t + p) * h, row + n * h, cs, h, -1);
      for (long n = 0; n < kv; n++) {
        rotate(dk + ((i * kv + n) * t + p) * h, row + (heads + n) * h, cs, h, -1);
        memcpy(row + (heads + kv + n) * h, dv + ((i * kv + n) * t + p) * h, h * sizeof(bf16));
      }
    }
}

// [b, heads, t, h] to [b, t, heads * h], and back.
void join_heads(const bf16* o, bf16* out, long b, long t, long heads, long h) {
  for (long i = 0; i < b; i++)
    for (long n = 0; n < heads; n++)
      for (long p = 0; p < t; p++)
        memcpy(out + ((i * t + p) * heads + n) * h, o + ((i * heads + n) * t + p) * h, h * sizeof(bf16));
}

void part_heads(const bf16* in, bf16* o, long b, long t, long heads, long h) {
  for (long i = 0; i < b; i++)
    for (long n = 0; n < heads; n++)
      for (long p = 0; p < t; p++)
        memcpy(o + ((i * heads + n) * t + p) * h, in + ((i * t + p) * heads + n) * h, h * sizeof(bf16));
}

// Rows of t scores, of the last `queries` positions of t, over and over; each sees the positions up to its own. In place.
void causal_softmax(bf16* s, long rows, long queries, long t, float scale) {
  float e[4096];
  for (long i = 0; i < rows; i++) {
    bf16* row = s + i * t;
    long n = t - queries + i % queries + 1;
    float top = -1e30f, sum = 0;
    for (long j = 0; j < n; j++) {
      e[j] = up(row[j]) * scale;
      top = e[j] > top ? e[j] : top;
    }
    for (long j = 0; j < n; j++) {
      e[j] = fast_exp(e[j] - top);
      sum += e[j];
    }
    float inv = 1.0f / sum;
    for (long j = 0; j < n; j++) row[j] = down(e[j] * inv);
    memset(row + n, 0, (t - n) * sizeof(bf16));
  }
}

// ds = p * (dp - sum(p * dp)) * scale, into dp.
void causal_softmax_back(const bf16* p, bf16* dp, long rows, long queries, long t, float scale) {
  for (long i = 0; i < rows; i++) {
    const bf16* a = p + i * t;
    bf16* b = dp + i * t;
    long n = t - queries + i % queries + 1;
    float dot = 0;
    for (long j = 0; j < n; j++) dot += up(a[j]) * up(b[j]);
    for (long j = 0; j < n; j++) b[j] = down(up(a[j]) * (up(b[j]) - dot) * scale);
    memset(b + n, 0, (t - n) * sizeof(bf16));
  }
}

// logits become weight * (softmax - onehot). Sums: weighted loss, and of rows of full weight: loss, hits, rows.
void cross_entropy(bf16* logits, const int32_t* target, const float* weight, const float* full, double* sums, long n, long v) {
  float e[16384];
  for (long i = 0; i < n; i++) {
    bf16* row = logits + i * v;
    float top = -1e30f, sum = 0;
    for (long j = 0; j < v; j++) {
      e[j] = up(row[j]);
      top = e[j] > top ? e[j] : top;
    }
    float right = e[target[i]];
    for (long j = 0; j < v; j++) {
      e[j] = fast_exp(e[j] - top);
      sum += e[j];
    }
    float loss = logf(sum) + top - right, scale = weight[i] / sum;
    sums[0] += (double)loss * weight[i];
    if (full[i] > 0) {
      sums[1] += loss;
      sums[2] += right >= top;
      sums[3] += 1;
    }
    for (long j = 0; j < v; j++) row[j] = down(e[j] * scale);
    row[target[i]] = down((e[target[i]] / sum - 1.0f) * weight[i]);
  }
}

void embed(const float* table, const int32_t* ids, float* x, long n, long d, float scale) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < d; j++) x[i * d + j] = table[(long)ids[i] * d + j] * scale;
}

void embed_back(float* grad, const int32_t* ids, const float* dx, long n, long d, float scale) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < d; j++) grad[(long)ids[i] * d + j] += dx[i * d + j] * scale;
}

void gather(const bf16* in, const int64_t* rows, bf16* out, long n, long d) {
  for (long i = 0; i < n; i++) memcpy(out + i * d, in + rows[i] * d, d * sizeof(bf16));
}

void scatter(bf16* out, const int64_t* rows, const bf16* in, long n, long d) {
  for (long i = 0; i < n; i++) memcpy(out + rows[i] * d, in + i * d, d * sizeof(bf16));
}

void accumulate(float* sum, const bf16* part, long n) {
  for (long i = 0; i < n; i++) sum[i] += up(part[i]);
}
