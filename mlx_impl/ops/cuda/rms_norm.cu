// RMS norm of rows x (R, K) in float: weight * (x / root of the mean square). A block a row. The factor is a single
// number for the whole row, so that its rounding is the error of all of it: its sum is in double, and it is rounded once.
template <int THREADS>
__device__ void rms_normalize(const float* x, const float* weight, float eps, int width, float* y) {
  x += static_cast<size_t>(blockIdx.x) * width;
  y += static_cast<size_t>(blockIdx.x) * width;
  double square = 0;
  for (int k = threadIdx.x; k < width; k += THREADS) square += static_cast<double>(x[k]) * x[k];
  for (int step = 16; step; step /= 2) square += __shfl_xor_sync(~0u, square, step);
  __shared__ double parts[THREADS / 32];
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = square;
  __syncthreads();
  square = 0;
  for (int warp = 0; warp < THREADS / 32; ++warp) square += parts[warp];
  const float factor = 1 / sqrt(square / width + eps);
  for (int k = threadIdx.x; k < width; k += THREADS) y[k] = weight[k] * (x[k] * factor);
}
